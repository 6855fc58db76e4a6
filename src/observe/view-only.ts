let isWarned = false;

/** Called when a tunnel opens whose grant has `viewOnly: true`. Warns once: an operator may rely on a right that nothing enforces yet. */
export function noteViewOnly(): void {
  if (isWarned) return;
  isWarned = true;
  process.emitWarning(
    'wstunnel: viewOnly of a ticket or token has no effect yet: the client can write to the backend. Give the backend a port or a ' +
      'password that is view-only',
    { code: 'WSTUNNEL_VIEW_ONLY' },
  );
}
