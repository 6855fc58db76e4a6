// A process that shuts down, with a long grace, when its parent disconnects. Argument: the port of the backend.
import console from 'node:console';
import process from 'node:process';
import express from 'express';
import { wstunnel } from '../../dist/index.js';

const tunnel = wstunnel({ server: { port: Number(process.argv[2]) } });
const server = express()
  .use('/tunnel', tunnel)
  .listen({ port: 0, host: '127.0.0.1' }, () => process.send({ port: server.address().port }));

process.on('disconnect', async () => {
  server.close();
  await tunnel.close({ grace: 40 * 86_400, spread: 3600 });
  console.log('all closed');
});
