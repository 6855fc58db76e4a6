// `import 'express-wstunnel'` gives the function that `require` gives, not a copy: one build serves both kinds of module.
export { wstunnel, memoryShared, TunnelError, fromLighttpdConf, wstunnel as default } from './index.js';
export type * from './index.js';
