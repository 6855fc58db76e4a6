// `import =`, with the types as members.
import client = require('express-wstunnel/client');

const options: client.ConnectOptions = { proxy: false };
const code: client.ClientErrorCode = new client.ClientError('WSTUNNEL_TLS', 'no').code;
const stream: client.ClientStream = client.connect('ws://127.0.0.1:1/', options);
stream.on('error', (error: client.ClientError) => {
  if (error.code === code) throw error;
  void import('./client-through.mjs').then(({ through }) => through(client));
});
