// An ES module or, by the extension, a CommonJS module. The file is compiled and run, so every import is used.
import {
  ClientError,
  ClientStream,
  connect,
  listen,
  Listener,
  TunnelError,
  type ClientErrorCode,
  type ConnectOptions,
  type ListenOptions,
  type LocalAddress,
} from 'express-wstunnel/client';

const options: ConnectOptions = { proxy: false, connectTimeout: 1, tls: { servername: 'desk' } };
const listening: ListenOptions = { ...options, retryFor: 0 };
const local: LocalAddress = { port: 0 };
const code: ClientErrorCode = new ClientError('WSTUNNEL_CLOSED', 'closed', { closeCode: 1011 }).code;
if (code !== 'WSTUNNEL_CLOSED') throw new Error(code);

const stream: ClientStream = connect('ws://127.0.0.1:1/', options);
stream.on('error', (error: Error) => {
  if (!(error instanceof ClientError) || !error.again || !(stream instanceof ClientStream)) throw error;
  void listen(local, 'ws://127.0.0.1:1/', listening).then(async (listener: Listener) => {
    listener.on('close', ({ duration }) => duration.toFixed());
    if (listener.stats().open !== 0 || !(listener instanceof Listener)) throw new Error('open');
    await listener.close();
    const { through } = await import('./client-through.mjs');
    await through({ connect, listen, ClientError, TunnelError });
  });
});
