const PATIENCE_MS = 3_000;

/** Waits for something that may fail or, when the server is gone without a word, never end. */
export async function soon(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tired = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([work.catch(() => undefined), tired]);
  clearTimeout(timer);
}
