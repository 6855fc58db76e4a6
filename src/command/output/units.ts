const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** An amount of bytes with about three digits and a decimal unit, such as `1.5 kB`. */
export function bytes(amount: number): string {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, amount)) / 3));
  const value = amount / 1000 ** step;
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[step] ?? 'B'}`;
}

export function tunnels(count: number): string {
  return `${count} tunnel${count === 1 ? '' : 's'}`;
}
