import { isSupported } from './probe';

describe('the version of Prefect', () => {
  it.each(['3.8.0', '3.8.8', '3.10.2', '3.99', '3.8.0rc1'])('%s is supported', (version) => {
    expect(isSupported(version)).toBe(true);
  });

  it.each(['3.7.9', '2.20.0', '4.0.0', '38.8.0', '', 'latest'])('"%s" is not', (version) => {
    expect(isSupported(version)).toBe(false);
  });
});
