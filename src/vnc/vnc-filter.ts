// Stub until the merge.
import type { FilteredTunnel, PayloadFilter } from '../streams/payload-filter.js';

export class VncFilter implements PayloadFilter {
  readonly isOutOpen = false;
  readonly isInOpen = false;
  lastInput: number | undefined = undefined;
  constructor(readonly rights: { isLoggedIn: boolean; viewOnly: boolean; watchesInput: boolean }) {}
  start(tunnel: FilteredTunnel): void {
    void tunnel;
  }
  in(bytes: Buffer): Buffer {
    return bytes;
  }
  out(bytes: Buffer): Buffer {
    return bytes;
  }
}
