import type { IncomingMessage } from 'node:http';
import type * as all from './index.js';
import required = require('./index.js');

// `require('express-wstunnel/record')`, with the types as members of the object.
const record: {
  convertRecording: typeof all.convertRecording;
  fileRecorder: typeof all.fileRecorder;
  player: typeof all.player;
  RecordingReader: typeof all.RecordingReader;
} = required;

declare namespace record {
  export type ConvertOptions = all.ConvertOptions;
  export type Direction = all.Direction;
  export type FileRecorderOptions<Req extends IncomingMessage = IncomingMessage> =
    all.FileRecorderOptions<Req>;
  export type Host = all.Host;
  export type PlayerOptions = all.PlayerOptions;
  export type RecordedBytes = all.RecordedBytes;
  export type RecordedTunnel = all.RecordedTunnel;
  export type Recorder = all.Recorder;
  export type RecordingFormat = all.RecordingFormat;
  export type RecordingHeader = all.RecordingHeader;
  export type RecordingReader = all.RecordingReader;
  export type RecordingSummary = all.RecordingSummary;
  export type TunnelInfo = all.TunnelInfo;
}

export = record;
