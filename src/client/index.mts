// `import 'express-wstunnel/client'` gives the functions that `require` gives, as in the package's own index.mts.
export { connect, listen, ClientStream, Listener, ClientError, TunnelError } from './index.js';
export type * from './index.js';
