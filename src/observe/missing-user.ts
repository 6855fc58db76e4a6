const warned = new WeakSet<object>();

/** Called for a request without a user under `limits.perUser`, where the app has no hook `user`. Warns once for each `limits`. */
export function noteMissingUser(limits: object): void {
  if (warned.has(limits)) return;
  warned.add(limits);
  process.emitWarning(
    'wstunnel: limits.perUser has no effect on a request without a user. Set the option user, such as ' +
      'user: (req) => req.session.user; the default is the user of Passport (req.user)',
    { code: 'WSTUNNEL_NO_USER' },
  );
}
