import { ConfigError, readConfig } from './config';

const urlsOf = (urls: string): string => {
  const database = 'postgresql://u@localhost/control';
  return readConfig({ DATABASE_URL: database, DESTINATION_URL: database, PREFECT_API_URL: urls }).PREFECT_API_URL;
};

describe('PREFECT_API_URL', () => {
  it('is one address, or several separated by commas, without blanks and trailing slashes', () => {
    expect(urlsOf('http://a:4200/api/')).toBe('http://a:4200/api');
    expect(urlsOf('http://a:4200/api, https://b/api/')).toBe('http://a:4200/api,https://b/api');
  });

  it.each(['http://a/api,', 'http://a/api,b', 'ftp://a/api', ''])('cannot be "%s", and no value is shown', (urls) => {
    expect(() => urlsOf(urls)).toThrow(ConfigError);
    expect(() => urlsOf(urls)).toThrow(/PREFECT_API_URL: (Invalid URL|is not set)\n/);
  });
});
