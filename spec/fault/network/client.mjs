// A client with `ws` in a namespace: sends bytes in frames of 10 kB, and prints whether the same bytes returned, and later PINGs.
import { createHash, randomBytes } from 'node:crypto';
import console from 'node:console';
import process from 'node:process';
import { WebSocket } from 'ws';

const [address, length] = [process.argv[2], Number(process.argv[3])];
const client = new WebSocket(`ws://${address}:8080/tunnel`);
const [sent, got] = [createHash('sha256'), createHash('sha256')];
let received = 0;
client.on('open', () => {
  console.log('open');
  for (let at = 0; at < length; at += 10_000) {
    const bytes = randomBytes(Math.min(10_000, length - at));
    sent.update(bytes);
    client.send(bytes);
  }
});
client.on('message', (bytes) => {
  got.update(bytes);
  received += bytes.length;
  if (received !== length) return;
  console.log(got.digest('hex') === sent.digest('hex') ? 'whole' : 'spoiled');
  client.on('ping', () => console.log('ping'));
});
client.on('error', (error) => console.log(`error ${error.message}`));
client.on('close', (code) => console.log(`closed ${code}`));
