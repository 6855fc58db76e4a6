// `import =`, with the types as members of the function.
import wstunnel = require('express-wstunnel');

const options: wstunnel.TunnelOptions = { server: { port: 1 } };
const tunnel: wstunnel.Tunnel = wstunnel(options);
tunnel.on('close', ({ code, reason }) => [code.toFixed(), reason.trim()]);
const error: wstunnel.TunnelError = new wstunnel.TunnelError('WSTUNNEL_NO_BACKEND', 'none');
const code: wstunnel.TunnelErrorCode = error.code;
if (wstunnel.default !== wstunnel.wstunnel || code !== 'WSTUNNEL_NO_BACKEND') throw new Error('not the same');

void import('./through.mjs').then(({ through }) => through(wstunnel, wstunnel.TunnelError));
