// Only compiled, never run: see types.spec.ts.
import type { Request } from 'express';
import { expectTypeOf } from 'vitest';
import { wstunnel, type Recorder } from '../../src/index.mjs';
import {
  convertRecording,
  fileRecorder,
  player,
  RecordingReader,
  type Host,
  type RecordingFormat,
  type RecordingSummary,
} from '../../src/record/index.mjs';

const record = fileRecorder({ folder: '/a', direction: 'both', maxBytes: 1e9, whenFails: 'close' });
wstunnel({ server: { port: 1 }, record });
wstunnel({ server: { port: 1 }, rules: [{ url: '/a', record: () => undefined }] });
wstunnel<Request>({
  record: fileRecorder<Request>({ folder: '/a', name: (tunnel, req) => tunnel.id + req.path }),
});
wstunnel({ record: (tunnel, req) => (tunnel.user === undefined ? undefined : record(tunnel, req)) });

const own: Recorder = {
  out: (bytes, ms) => void Math.max(bytes.length, ms),
  in: () => undefined,
  end: () => undefined,
};
wstunnel({ record: () => own });
// @ts-expect-error a recorder has an end
wstunnel({ record: () => ({ out: () => undefined, in: () => undefined }) });
// @ts-expect-error a recorder can't be awaited
wstunnel({ record: () => Promise.resolve(own) });
// @ts-expect-error a folder is required
fileRecorder({});
// @ts-expect-error input alone can't be recorded
fileRecorder({ folder: '/a', direction: 'in' });

expectTypeOf(player('/a', { speed: 2 })).toEqualTypeOf<Host>();
wstunnel({ server: player('/a') });

const recording = await RecordingReader.open('/a');
expectTypeOf(recording.summary).toEqualTypeOf<RecordingSummary | undefined>();
expectTypeOf<RecordingFormat>().toEqualTypeOf<'novnc' | 'fbs' | 'asciicast' | 'raw'>();
for await (const part of convertRecording(recording, 'fbs'))
  expectTypeOf(part).toEqualTypeOf<Buffer | string>();
// @ts-expect-error no such format
convertRecording(recording, 'gif');
