import { readConfig } from '@sluice/kernel';
import { CredentialVault } from './credential-vault';

const vaultWith = (fill: number) =>
  new CredentialVault(
    readConfig({
      DATABASE_URL: 'postgresql://localhost/x',
      DESTINATION_URL: 'postgresql://localhost/x',
      PREFECT_API_URL: 'http://localhost/api',
      SLUICE_SECRET_KEY: Buffer.alloc(32, fill).toString('base64'),
    }),
  );
const SECRET = { user: 'me', password: 'pässwörd' };

describe('sealed credentials', () => {
  it('open with the same key for the same ingestion', () => {
    expect(vaultWith(1).open('a', vaultWith(1).seal('a', SECRET))).toEqual(SECRET);
  });

  it('differ each time, so that equal ones cannot be told', () => {
    expect(vaultWith(1).seal('a', SECRET).equals(vaultWith(1).seal('a', SECRET))).toBe(false);
  });

  it('do not open for another ingestion, with another key or when a byte has changed', () => {
    const sealed = vaultWith(1).seal('a', SECRET);
    const changed = Buffer.from(sealed);
    changed[sealed.length - 1]! ^= 1;
    expect(() => vaultWith(1).open('b', sealed)).toThrow('unable to authenticate');
    expect(() => vaultWith(2).open('a', sealed)).toThrow('unable to authenticate');
    expect(() => vaultWith(1).open('a', changed)).toThrow('unable to authenticate');
  });
});
