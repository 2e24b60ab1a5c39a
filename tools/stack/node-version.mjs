// Written for any Node that knows modules: an old one must come as far as the sentence.

/** @param {string} version @returns {string | null} what to say when this Node is too old */
export function tooOld(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return null;
  return `Node ${version} is too old: Sluice needs 20.19 or newer. Install one (https://nodejs.org, or nvm install), then run this again.`;
}

export function requireNode() {
  const sentence = tooOld(process.versions.node);
  if (sentence === null) return;
  console.error(sentence);
  process.exit(1);
}
