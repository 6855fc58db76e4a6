// `import 'express-wstunnel/redis'` gives the same function as `require`, as in the package's own index.mts.
export { redisShared } from './index.js';
export type * from './index.js';
