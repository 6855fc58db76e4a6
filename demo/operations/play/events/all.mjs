import { diskFull, diskFullStrict, rotate } from './disk.mjs';
import {
  backendDown,
  badVersion,
  bothDown,
  deploy,
  haproxyReload,
  kill,
  redis,
  wrongFile,
} from './outages.mjs';
import { care } from './care.mjs';
import { certificate, start, wrongCertificate } from './start.mjs';

/** The events of the day, in order. */
export const EVENTS = [
  ['start', start],
  ['backup and capacity', care],
  ['certificate renewed', certificate],
  ['certificate broken', wrongCertificate],
  ['deploy', deploy],
  ['version broken', badVersion],
  ['HAProxy reloaded', haproxyReload],
  ['process killed', kill],
  ['configuration broken', wrongFile],
  ['both processes down', bothDown],
  ['Redis lost', redis],
  ['log rotated', rotate],
  ['disk full', diskFull],
  ['disk full, strict', diskFullStrict],
  ['backend down', backendDown],
  ['evening', evening],
];

/** All bytes came back as sent, and every command block of README.md was run. */
async function evening(day) {
  await day.load.stop();
  day.expect(day.load.damaged === 0, `${day.load.damaged} tunnels had wrong bytes`);
  day.expect(
    day.readme.left.length === 0,
    `command blocks of README.md that were not run: ${day.readme.left.join(', ')}`,
  );
  return `${(day.load.bytes / 1e6).toFixed(1)} MB in ${day.load.visits} short tunnels and the long ones, each byte as sent`;
}
