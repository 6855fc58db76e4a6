import type { Records } from './convert.js';

/**
 * The script that noVNC's player loads: strings of `{milliseconds{base64` from the server and `}milliseconds}base64` from the client. The
 * encoding is written into the script, because the default differs between versions of the player.
 */
export async function* toNoVNC(records: Records): AsyncGenerator<string, void, undefined> {
  yield "var VNC_frame_encoding = 'base64';\nvar VNC_frame_data = [\n";
  for await (const { direction, ms, bytes } of records) {
    const mark = direction === 'out' ? '{' : '}';
    yield `'${mark}${ms}${mark}${bytes.toString('base64')}',\n`;
  }
  yield "'EOF'];\n";
}
