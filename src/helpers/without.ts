/** A copy of an object without these properties. */
export function without<T extends object, Name extends keyof T>(
  whole: T,
  ...names: readonly Name[]
): Omit<T, Name> {
  const copy: Partial<T> = { ...whole };
  for (const name of names) Reflect.deleteProperty(copy, name);
  return copy as Omit<T, Name>;
}
