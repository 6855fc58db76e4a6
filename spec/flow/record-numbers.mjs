// Records numbered lines until it is killed or the recording fails. Uses the built files.
import { Buffer } from 'node:buffer';
import console from 'node:console';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { clearInterval, setInterval } from 'node:timers';
import { fileRecorder } from '../../dist/record/index.mjs';

const [, , folder] = process.argv;
const about = {
  id: '1',
  url: '/',
  address: '::1',
  user: 'ann',
  backend: 'b',
  since: 0,
  bytesIn: 0,
  bytesOut: 0,
};
const recorder = fileRecorder({ folder })(about, {});
// The signal of a file above the limit of the process: the write fails with EFBIG.
process.on('SIGXFSZ', () => undefined);
let count = 0;
const timer = setInterval(() => {
  try {
    for (let i = 0; i < 1000; i++) recorder.out(Buffer.from(`${count++}\n`), performance.now());
  } catch (error) {
    clearInterval(timer);
    console.log(error.message);
    recorder.end(about);
  }
}, 1);
