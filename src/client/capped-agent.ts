import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { HttpsProxyAgent } from 'https-proxy-agent';

/** The longest answer to CONNECT, in bytes: what Node allows a header. */
const MAX_ANSWER = 16_384;
/** Told of each socket that `net.connect` makes, at once. */
const CHANNEL = 'net.client.socket';

/**
 * https-proxy-agent gathers the proxy's answer without a limit, on a socket that it shows to nobody before. (One that
 * `tls.connect` makes is not told of: there connectTimeout is the limit.)
 */
export class CappedAgent extends HttpsProxyAgent<string> {
  override connect(...[request, options]: Parameters<HttpsProxyAgent<string>['connect']>) {
    const onSocket = (message: unknown) => cap((message as { socket: Socket }).socket, request);
    subscribe(CHANNEL, onSocket);
    try {
      // It connects before it returns.
      return super.connect(request, options);
    } finally {
      unsubscribe(CHANNEL, onSocket);
    }
  }
}

function cap(socket: Socket, request: ClientRequest): void {
  const onReadable = () => {
    if (socket.bytesRead > MAX_ANSWER) socket.destroy(new Error('its answer has no end'));
  };
  socket.on('readable', onReadable);
  request.once('proxyConnect', () => socket.off('readable', onReadable));
}
