// An ES module or, by the extension, a CommonJS module. The file is compiled and run, so every import is used.
import create, { TunnelError, wstunnel, type Tunnel, type TunnelOptions } from 'express-wstunnel';

const options: TunnelOptions = { server: { port: 1 } };
const tunnel: Tunnel = create(options);
tunnel.on('close', ({ code, reason }) => [code.toFixed(), reason.trim()]);
const code: string = new TunnelError('WSTUNNEL_NO_BACKEND', 'none').code;
if (create !== wstunnel || code !== 'WSTUNNEL_NO_BACKEND') throw new Error('not the same');

void import('./through.mjs').then(({ through }) => through(wstunnel, TunnelError));
