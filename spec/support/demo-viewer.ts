import { openRaw, frame, type RawClient } from './raw-client.js';

/** A viewer of the demo's desktop without a browser: RFB 3.8 without a password, through the tunnel. */
export class DemoViewer {
  /** All bytes from the server. */
  received = Buffer.alloc(0);
  #read = 0;

  private constructor(readonly client: RawClient) {}

  /** Opens a tunnel and finishes the handshake. `types`: the security types that the page is offered. */
  static async open(port: number, cookie: string): Promise<DemoViewer & { types: number[] }> {
    const viewer = new DemoViewer(await openRaw(port, '/vnc/websockify', { Cookie: cookie }));
    await viewer.read(12);
    viewer.send(Buffer.from('RFB 003.008\n'));
    const types = [...(await viewer.read((await viewer.read(1)).readUInt8()))];
    viewer.send(Buffer.from([1]));
    await viewer.read(4);
    // ClientInit, shared.
    viewer.send(Buffer.from([1]));
    const init = await viewer.read(24);
    await viewer.read(init.readUInt32BE(20));
    return Object.assign(viewer, { types });
  }

  send(bytes: Buffer): void {
    this.client.send(frame(2, bytes));
  }

  /** Presses and releases a key. https://www.rfc-editor.org/rfc/rfc6143#section-7.5.4 */
  press(keysym: number): void {
    for (const down of [1, 0]) {
      const bytes = Buffer.from([4, down, 0, 0, 0, 0, 0, 0]);
      bytes.writeUInt32BE(keysym, 4);
      this.send(bytes);
    }
  }

  point(x: number, y: number, buttons: number): void {
    this.send(Buffer.from([5, buttons, x >> 8, x & 255, y >> 8, y & 255]));
  }

  cutText(text: string): void {
    const bytes = Buffer.from(`\x06\0\0\0\0\0\0\0${text}`, 'latin1');
    bytes.writeUInt32BE(text.length, 4);
    this.send(bytes);
  }

  /** Asks for the whole screen, and waits for the start of an update: the server has read all earlier messages. */
  async update(): Promise<void> {
    this.send(Buffer.from([3, 0, 0, 0, 0, 0, 0, 8, 0, 8]));
    await this.read(4);
  }

  /** The server's Close. Disconnects then: the tunnel is closed once the server notices. */
  async close(): Promise<{ code: number; reason: string } | undefined> {
    const close = await this.client.close();
    this.client.socket.destroy();
    return close;
  }

  async read(length: number): Promise<Buffer> {
    while (this.received.length < this.#read + length) {
      const more = await this.client.payload(1);
      if (more.length === 0) throw new Error('the tunnel has ended');
      this.received = Buffer.concat([this.received, more]);
    }
    this.#read += length;
    return this.received.subarray(this.#read - length, this.#read);
  }
}
