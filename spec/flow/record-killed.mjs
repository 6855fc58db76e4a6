// Records numbered lines until it is killed. Uses the built files.
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
let count = 0;
setInterval(() => {
  for (let i = 0; i < 1000; i++) recorder.out(Buffer.from(`${count++}\n`), performance.now());
}, 1);
