// An app with a spawned program as backend, for tests that kill the app. Argument: options as JSON. Output: the port.
import { createServer } from 'node:http';
import process from 'node:process';
import { wstunnel } from '../../../dist/index.js';

const tunnel = wstunnel({ server: JSON.parse(process.argv[2]) });
const server = createServer((req, res) => tunnel(req, res, () => res.end()));
server.listen(0, '127.0.0.1', () => process.stdout.write(`PORT=${server.address().port}\n`));
process.on('SIGUSR2', () => process.exit(0));
process.on('SIGHUP', () => {
  throw new Error('an error that nobody has caught');
});
