// `import 'express-wstunnel/client'` gives the same functions as `require`, as in the package's own index.mts.
export { connect, listen, ClientStream, Listener, ClientError, TunnelError } from './index.js';
export type * from './index.js';
