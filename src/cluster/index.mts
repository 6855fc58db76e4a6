// `import 'express-wstunnel/cluster'` gives the same function as `require`, as in the package's own index.mts.
export { clusterShared } from './index.js';
export type * from './index.js';
