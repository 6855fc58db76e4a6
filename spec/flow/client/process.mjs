// A client in a separate process: a transfer both ways through a tunnel, and the peak memory of the transfer.
import { Buffer } from 'node:buffer';
import process from 'node:process';
import { connect } from '../../../dist/client/index.js';

const [url, megabytes] = [process.argv[2], Number(process.argv[3])];
const block = Buffer.alloc(1024 * 1024, 'x');
const stream = connect(url, { proxy: false, pingInterval: 0 });

// The baseline is the memory before the first byte.
let peak = 0;
let before;
const look = () => (peak = Math.max(peak, process.memoryUsage().rss));

stream.once('connect', () => {
  before = process.memoryUsage().rss;
  let left = megabytes;
  const write = () => {
    while (left > 0) {
      left--;
      if (!stream.write(block)) return;
    }
  };
  stream.on('drain', write);
  write();
});
stream.on('data', () => {
  look();
  if (stream.bytesRead === megabytes * block.length) stream.end();
});
stream.on('close', () => process.send({ bytesRead: stream.bytesRead, grown: peak - before }));
