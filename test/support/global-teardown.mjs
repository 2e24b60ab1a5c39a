/** Lets the keeper stop its servers and waits for it. */
export default async function globalTeardown() {
  const { sluiceKeeper: keeper } = /** @type {{ sluiceKeeper?: import('node:child_process').ChildProcess }} */ (
    globalThis
  );
  if (keeper === undefined || keeper.exitCode !== null) return;
  const ended = new Promise((resolve) => keeper.once('exit', resolve));
  keeper.disconnect();
  await ended;
}
