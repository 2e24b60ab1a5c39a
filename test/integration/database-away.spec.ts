import { impatientClient } from '@sluice/database';
import pg from 'pg';
import { expectProblem, startApi } from '../support/api';
import { migratedDatabase, until } from '../support/control-plane';
import { CuttableWay } from '../support/cuttable';

describe('while the control database cannot be reached', () => {
  const ID = '00000000-0000-4000-8000-000000000000';
  const AWAY = { code: 'DATABASE_UNAVAILABLE', status: 503, title: 'Control database unavailable' };

  it('whatever needs it is a 503 that says so and when to come again, and all is well afterwards', async () => {
    const database = await migratedDatabase();
    const { way, url } = await CuttableWay.to(database.url);
    const api = await startApi({ DATABASE_URL: url }, { reconciles: true });
    expect((await api.call('get', '/ingestions')).status).toBe(200);
    way.cut();
    for (const [method, path, body] of [
      ['get', '/ingestions'],
      ['get', `/runs/${ID}`],
      ['get', '/events'],
      ['delete', `/ingestions/${ID}`],
      ['post', `/runs/${ID}/cancel`],
      ['post', '/ingestions', { name: 'a', source: { type: 'file', path: '/data' }, destination: { table: 't' } }],
    ] as const) {
      const response = await api.call(method, path, body);
      expectProblem(response, { ...AWAY, detail: expect.stringContaining('control database') as unknown as string });
      expect(response.headers['retry-after']).toBe('5');
    }
    way.mend();
    await until(async () => (await api.call('get', '/ingestions')).status === 200);
    await api.close();
    await way.close();
    await database.drop();
  });
});

describe('a connection of the pool that was cut without a word', () => {
  it('is given up with its question, and the next one gets another', async () => {
    const database = await migratedDatabase();
    const { way, url } = await CuttableWay.to(database.url);
    const pool = new pg.Pool({ connectionString: url, Client: impatientClient(200), max: 1 });
    pool.on('error', () => undefined);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    const held = await pool.connect();
    held.on('error', () => undefined);
    way.silence();
    await expect(held.query('SELECT 1')).rejects.toThrow('no answer for 0.2 s');
    way.mend();
    held.release();
    await until(async () => (await pool.query('SELECT 1').catch(() => null)) !== null);
    await pool.end();
    await way.close();
    await database.drop();
  });
});
