// Replaces vitest in the bundle of the long fuzz test.
export const afterEach = () => undefined;
export const expect = () => undefined;
export const test = () => undefined;
export const onTestFinished = () => undefined;
