export { convertRecording, type ConvertOptions, type RecordingFormat } from './convert/convert.js';
export { fileRecorder, type FileRecorderOptions } from './file-recorder.js';
export { RecordingReader } from './file/recording-reader.js';
export type {
  Direction,
  RecordedBytes,
  RecordedTunnel,
  RecordingHeader,
  RecordingSummary,
} from './format/layout.js';
export { player, type PlayerOptions } from './player.js';
export type { Host, Recorder, TunnelInfo } from '../types.js';
