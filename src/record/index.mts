// `import 'express-wstunnel/record'` gives the same functions as `require`, as in the package's own index.mts.
export { convertRecording, fileRecorder, player, RecordingReader } from './index.js';
export type * from './index.js';
