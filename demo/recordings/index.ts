import { Router, type Request } from 'express';
import type { Recorder, TunnelInfo } from 'express-wstunnel';
import { fileRecorder } from 'express-wstunnel/record';
import { untilLogout } from '../login.js';
import { showPage } from '../pages.js';
import { Folder } from './folder.js';
import { sendRecording } from './stream.js';

export interface Recordings {
  /** For the option `record` of the tunnel. */
  readonly record: (tunnel: TunnelInfo, req: Request) => Recorder | undefined;
  /** The pages, for administrators. */
  readonly router: Router;
}

/** Records each desktop in a file in the folder. Only the picture: what the user types is not recorded. */
export function startRecordings(folder: string): Recordings {
  const open = new Set<string>();
  const toFile = fileRecorder<Request>({ folder });
  const record = (tunnel: TunnelInfo, req: Request) => {
    const recorder = toFile(tunnel, req);
    return recorder && noted(recorder, tunnel.id, open);
  };
  return { record, router: routerOf(new Folder(folder, (id) => open.has(id))) };
}

/** The recorder, with the id in the set until the end. */
function noted(recorder: Recorder, id: string, open: Set<string>): Recorder {
  open.add(id);
  const end = (info: TunnelInfo) => {
    open.delete(id);
    return recorder.end(info);
  };
  const { whenFails, direction, failed } = recorder;
  return {
    out: (bytes, ms) => recorder.out(bytes, ms),
    in: (bytes, ms) => recorder.in(bytes, ms),
    end,
    ...(whenFails && { whenFails }),
    ...(direction && { direction }),
    ...(failed && { failed }),
  };
}

function routerOf(folder: Folder): Router {
  const router = Router();
  const found = (req: Request<{ id: string }>) => folder.find(req.params.id);

  router.get('/', (_req, res) => showPage(res, 200, 'recordings.html'));
  router.get('/list', async (_req, res) => {
    res.set('Cache-Control', 'no-store').json(await folder.list());
  });
  router.get('/:id', async (req, res) => {
    if (await found(req)) showPage(res, 200, 'playback.html');
    else showPage(res, 404, 'missing.html');
  });
  router.get('/:id/info', async (req, res) => {
    const recording = await found(req);
    res.set('Cache-Control', 'no-store');
    if (recording) res.json(recording.entry);
    else res.status(404).json({ error: 'no such recording' });
  });
  router.get('/:id/stream', async (req, res) => {
    const recording = await found(req);
    if (recording && recording.entry.state !== 'unreadable')
      await sendRecording(recording.path, res, untilLogout(req, res));
    else res.status(404).json({ error: 'no such recording' });
  });
  return router;
}
