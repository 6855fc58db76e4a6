// The checks at the end of a session: every byte that arrived is correct, and after a planned end no byte is missing.
import { Buffer } from 'node:buffer';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Ends that a reload, the end of a grace, or a lost login may cause in place of the planned end. */
const INTERRUPTED = new Set(['drain', 'destroyed']);

/** Returns the name of the outcome; throws for a fault. */
export async function checkEnd(site, session, wire, plan) {
  const [cause, code] = plan.end;
  const info = session.way === 'command' ? undefined : await site.server.closeOf(String(session.id));
  const isPlanned = info ? info.cause === cause || isSameEnd(session, info.cause, cause) : true;
  if (!isPlanned && !INTERRUPTED.has(info.cause))
    throw new Error(`ended by ${info.cause} (${info.code} ${info.reason}) in place of ${cause}`);
  if (isPlanned && wire.code !== undefined && wire.code !== code)
    throw new Error(`Close ${wire.code} in place of ${code}`);
  if (isPlanned && wire.code === undefined && code !== 1006) throw new Error('ended without a Close');
  await leaveBoth(session, wire);
  if (wire.fault) throw new Error(wire.fault);
  checkBytes(session, wire, isPlanned ? (plan.all ?? []) : [], info);
  if (plan.isRecorded) await checkRecording(site, session, wire, isPlanned);
  return isPlanned ? session.kind : `${session.kind} interrupted by ${info.cause}`;
}

/** HTTP/2 has no TCP reset, and a client that ends while bytes are on their way to it may be reported as lost. */
function isSameEnd(session, got, planned) {
  const lost = ['client-lost', 'client-ended'];
  return lost.includes(planned) && lost.includes(got);
}

/** Both connections are closed before the bytes are compared. */
async function leaveBoth(session, wire) {
  if (!wire.isEnded) {
    wire.stream.end();
    await wire.until(() => wire.isEnded, 'the end of the connection');
  }
  const { backend } = session;
  for (let left = 200; backend && !backend.closed && left > 0; left--) {
    if (backend.writableEnded === false) backend.end();
    await sleep(20);
  }
  if (backend && !backend.closed) throw new Error('the connection to the backend stays open');
}

function checkBytes(session, wire, all, info) {
  const sides = [
    ['up', session.isFrames || !session.up ? undefined : Buffer.concat(session.backendGot), info?.bytesIn],
    ['down', session.kind === 'vnc' ? undefined : wire.bytes(), info?.bytesOut],
  ];
  for (const [side, got, counted] of sides) {
    if (got === undefined) continue;
    const sent = session[side] ?? Buffer.alloc(0);
    // After an interrupted echo, the received bytes are a prefix of the sent bytes.
    const whole = side === 'down' && session.mode === 'e' ? session.up : sent;
    if (!whole.subarray(0, got.length).equals(got)) throw new Error(`${side}: wrong bytes at ${got.length}`);
    if (!all.includes(side)) continue;
    if (got.length !== whole.length)
      throw new Error(`${side}: ${got.length} of ${whole.length} bytes arrived`);
    if (counted !== undefined && counted !== got.length)
      throw new Error(`${side}: counted ${counted} bytes of ${got.length}`);
  }
}

/** The recording has all bytes of both directions; afterwards the file is removed. */
async function checkRecording({ recordings, RecordingReader }, session, wire, isWhole) {
  const path = join(recordings, `${session.id}.wsrec`);
  for (let left = 250; !existsSync(path); left--) {
    if (left === 0) throw new Error('the recording is not finished');
    await sleep(20);
  }
  const reader = await RecordingReader.open(path);
  const got = { o: [], i: [] };
  for await (const record of reader.records())
    got[record.direction === 'in' ? 'i' : 'o'].push(Buffer.from(record.bytes));
  await reader.close();
  rmSync(path);
  if (!reader.summary || reader.failure) throw new Error(`the recording is damaged: ${reader.failure}`);
  const out = Buffer.concat(got.o);
  const back = wire.bytes();
  if (isWhole ? !out.equals(back) : !out.subarray(0, back.length).equals(back))
    throw new Error(`the recording has ${out.length} bytes of ${back.length}`);
  if (isWhole && !Buffer.concat(got.i).equals(session.up))
    throw new Error('the recording lacks bytes of the client');
}
