/** The page of a server that requires a token: its requests carry the cookie that the token was exchanged for. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { Request } from 'playwright-core';
import { initModel, noBrowser, PageFixture } from './page-browser.ts';

const TOKEN = 'correct-horse-battery-staple';

describe('the page behind a token', { skip: noBrowser }, () => {
  const fixture = new PageFixture(
    async (work) => {
      await writeFile(work.path('token'), `${TOKEN}\n`);
      const demo = ['--demo-data', work.path('photos')];
      return ['--model', await initModel(work, 'm'), ...demo, '--token-file', work.path('token')];
    },
    { gpu: true },
  );

  it('asks for the token, and sends weights to nobody without it', async () => {
    const weights = new URL('v1/model/weights', fixture.server.address);
    assert.equal((await fetch(weights)).status, 401);
    const withToken = await fetch(weights, { headers: { authorization: `Bearer ${TOKEN}` } });
    assert.equal(withToken.status, 200);
    await withToken.body!.cancel();

    const visit = await fixture.visit('classify');
    const { page } = visit;
    const fetched: Request[] = [];
    page.on('request', (request) => {
      if (request.url().startsWith(weights.href)) fetched.push(request);
    });
    await page.getByLabel('Token').fill('another token');
    await page.getByRole('button', { name: 'Continue' }).click();
    await visit.alert('Wrong token.');
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByLabel('Token').press('Enter');
    await visit.choose();
    await visit.prediction();
    await page.getByRole('switch', { name: 'Run in this browser' }).check();
    await page.getByText('Running on your GPU').waitFor();
    assert.equal(fetched.length, 1);
    assert.equal((await fetched[0]!.response())?.status(), 200);
    const { cookie = '', authorization } = await fetched[0]!.allHeaders();
    assert.match(cookie, /^verydeep_session=[0-9a-f]{64}$/);
    assert.equal(authorization, undefined, 'the page keeps no token');
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await visit.choose(undefined, 'again.jpg');
    await visit.prediction();
    assert.ok(!asked.includes('/v1/predict'), String(asked));

    await visit.open('Train');
    await page.getByRole('button', { name: 'Try with photos' }).click();
    await page.getByText(/^photos: 24 images in 3 classes/).waitFor();
    // Before the token was shown, and when it was a wrong one.
    await visit.close(/401 \(Unauthorized\)/);
  });
});
