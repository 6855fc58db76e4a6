/**
 * Does a request for a path reach a tunnel? From least to most certain: `no`; `hidden`: an unreadable part of the app may lead to
 * a tunnel; `maybe`: the tunnel is there, and a rule decides; `yes`.
 */
export type Reach = 'no' | 'hidden' | 'maybe' | 'yes';

const ORDER: readonly Reach[] = ['no', 'hidden', 'maybe', 'yes'];

export function mostCertain(all: readonly Reach[]): Reach {
  let most = 0;
  for (const reach of all) most = Math.max(most, ORDER.indexOf(reach));
  return ORDER[most] ?? 'no';
}
