// The body of each Jest test; the arguments are the loaded package. Jest transforms no file: see jest.spec.ts.
const { once } = require('node:events');
const { createServer } = require('node:net');
const express = require('express');

exports.through = async ({ wstunnel, TunnelError, fromLighttpdConf }, { connect, ClientError }) => {
  const backend = createServer((socket) => socket.pipe(socket));
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const app = express();
  const tunnel = wstunnel({ server: { port: backend.address().port } });
  app.use('/vnc', tunnel);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${server.address().port}`;

  const stream = connect(`${url}/vnc`, { proxy: false });
  stream.write('bare bytes');
  const [bytes] = await once(stream, 'data');
  stream.end();
  await once(stream, 'close');
  const [refusal] = await once(connect(`${url}/other`, { proxy: false }), 'error');
  let wrong;
  try {
    wstunnel({ server: { prot: 5900 } });
  } catch (error) {
    wrong = error;
  }
  // Loads the detector of hostile regular expressions.
  const conf =
    '$HTTP["url"] =~ "^/desk" { wstunnel.server = ( "" => (( "host" => "127.0.0.1", "port" => "1" ))) }';
  const { options } = fromLighttpdConf(conf);

  await tunnel.close();
  server.closeAllConnections();
  server.close();
  backend.close();
  return [
    String(bytes),
    refusal instanceof ClientError && refusal.status,
    wrong instanceof TunnelError && wrong.code,
    options.rules.length,
  ].join(' ');
};
