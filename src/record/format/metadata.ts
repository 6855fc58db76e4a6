import {
  INDEX_ENTRY,
  type IndexEntry,
  type RecordedTunnel,
  type RecordingHeader,
  type RecordingSummary,
} from './layout.js';

/** The header; undefined if the JSON is invalid. */
export function parseHeader(json: Buffer): RecordingHeader | undefined {
  const value = objectOf(json);
  if (!value || !isCount(value.start) || !(value.direction === 'out' || value.direction === 'both'))
    return undefined;
  const tunnel = tunnelOf(value.tunnel);
  return tunnel && { start: value.start, direction: value.direction, tunnel };
}

/** The bytes of the index record; undefined if they are invalid. */
export function parseIndex(
  bytes: Buffer,
): { summary: RecordingSummary; entries: readonly IndexEntry[] } | undefined {
  if (bytes.length < 4) return undefined;
  const length = bytes.readUInt32BE(0);
  const rest = bytes.length - 4 - length;
  if (rest < 0 || rest % INDEX_ENTRY !== 0) return undefined;
  const value = objectOf(bytes.subarray(4, 4 + length));
  if (!value) return undefined;
  const { duration, bytesOut, bytesIn, stopped } = value;
  if (!isCount(duration) || !isCount(bytesOut) || !isCount(bytesIn)) return undefined;
  const entries = [];
  for (let at = 4 + length; at < bytes.length; at += INDEX_ENTRY)
    entries.push({ ms: bytes.readUIntBE(at, 6), offset: bytes.readUIntBE(at + 6, 6) });
  const reason = typeof stopped === 'string' ? { stopped } : {};
  return { summary: { duration, bytesOut, bytesIn, ...reason }, entries };
}

function tunnelOf(value: unknown): RecordedTunnel | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, url, address, user, backend } = value as Record<string, unknown>;
  if (typeof id !== 'string' || typeof url !== 'string') return undefined;
  if (typeof address !== 'string' || typeof backend !== 'string') return undefined;
  return { id, url, address, backend, ...(typeof user === 'string' && { user }) };
}

function objectOf(json: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
