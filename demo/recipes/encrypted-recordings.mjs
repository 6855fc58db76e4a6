// Recordings that nobody can read without the key: each file is encrypted on the way to the disk, and decrypted for playback.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node encrypted-recordings.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md), RECORDINGS (a folder, default ./recordings), and RECORDING_KEY: 64
// hexadecimal digits, such as the output of `openssl rand -hex 32`. Without the key, the recordings are lost.
//
// /vnc is the tunnel, and /play/NAME plays the recording NAME.wsrec.enc for ann: a page connects noVNC to that URL.
//
// AES in counter mode hides the bytes, and a recording that a crash has cut can still be decrypted. The mode does not detect changes of a
// file. If changes must be detected, or if the server must not be able to decrypt, let `encrypt` return the pipe of a program, such as age,
// which needs only the public key:
//
//   const age = spawn('age', ['--encrypt', '--recipient', 'age1...'], { stdio: ['pipe', 'pipe', 'inherit'] });
//   return Duplex.from({ writable: age.stdin, readable: age.stdout });
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { fileRecorder, player } from 'express-wstunnel/record';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const FOLDER = process.env.RECORDINGS ?? 'recordings';
const KEY = Buffer.from(process.env.RECORDING_KEY ?? '', 'hex');
const SALT_SIZE = 16;

if (KEY.length !== 32) throw new Error('RECORDING_KEY must be 64 hexadecimal digits: openssl rand -hex 32');
mkdirSync(FOLDER, { recursive: true, mode: 0o700 });

// Two files must never have the same key and counter: a random salt, which begins the file, gives each file its own.
function keysOf(salt) {
  const bytes = Buffer.from(hkdfSync('sha256', KEY, salt, 'recording', 48));
  return [bytes.subarray(0, 32), bytes.subarray(32)];
}

function encrypt() {
  const salt = randomBytes(SALT_SIZE);
  const cipher = createCipheriv('aes-256-ctr', ...keysOf(salt));
  const stream = new Transform({
    transform: (chunk, _encoding, done) => done(null, cipher.update(chunk)),
    flush: (done) => done(null, cipher.final()),
  });
  stream.push(salt);
  return stream;
}

/** Decrypts into a folder that only this user can read. A folder in memory (tmpfs) is best; /tmp often is one. */
async function decrypt(path) {
  const folder = await mkdtemp(join(tmpdir(), 'play-'));
  const plain = join(folder, 'recording.wsrec');
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(SALT_SIZE), 0, SALT_SIZE, 0);
    const decipher = createDecipheriv('aes-256-ctr', ...keysOf(buffer));
    await pipeline(
      createReadStream(path, { start: SALT_SIZE }),
      decipher,
      createWriteStream(plain, { flags: 'wx', mode: 0o600 }),
    );
    return await player(plain).connect();
  } finally {
    await file.close();
    // The player has opened the file, and reads it to the end without its name. On Windows, remove the folder later.
    await rm(folder, { recursive: true });
  }
}

const record = fileRecorder({ folder: FOLDER, encrypt, whenFails: 'close' });
const tunnel = wstunnel({ server: { port: VNC_PORT }, user: (req) => req.session.user, record });
const playback = wstunnel({
  server(req) {
    const path = join(FOLDER, `${basename(req.path)}.wsrec.enc`);
    return existsSync(path) ? { connect: () => decrypt(path) } : undefined;
  },
});

const app = express();
app.use(login);
app.use('/vnc', requireLogin, tunnel);
app.use('/play', requireLogin, requireAdmin, playback);
app.use(desktopPage('/vnc'));

function requireAdmin(req, res, next) {
  if (req.session.user === 'ann') next();
  else res.sendStatus(403);
}

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
