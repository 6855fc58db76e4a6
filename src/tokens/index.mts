// `import 'express-wstunnel/tokens'` gives the same functions as `require`, as in the package's own index.mts.
export {
  apiTokens,
  fileTokens,
  folderTokens,
  jwtTokens,
  redisTokens,
  socketTokens,
  tokenServer,
} from './index.js';
export type * from './index.js';
