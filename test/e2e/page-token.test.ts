/** The page of a server that has a token: what it fetches by itself comes with what the visitor showed. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { Browser, Request } from 'playwright-core';
import { noBrowser, openBrowser, type Served, serve, Visit } from './page-browser.ts';
import { Workplace } from './training-runs.ts';

const TOKEN = 'correct-horse-battery-staple';

describe('the page behind a token', { skip: noBrowser }, () => {
  const work = new Workplace();
  let server: Served;
  let browser: Browser;

  before(async () => {
    const flags = ['--config', 'A', '--classes', '3', '--crop', '32', '--width', '0.05'];
    const { code, stderr } = await work.vgg('init', ...flags, '--out', work.path('m.safetensors'));
    assert.equal(code, 0, stderr);
    await writeFile(work.path('token'), `${TOKEN}\n`);
    const demo = ['--demo-data', work.path('photos')];
    const model = ['--model', work.path('m.safetensors')];
    server = await serve(work, ...model, ...demo, '--token-file', work.path('token'));
    browser = await openBrowser({ gpu: true });
  });
  after(async () => {
    await browser?.close();
    assert.equal(await server?.stop(), 0);
  });

  it('runs the model here, with weights that nobody gets without the token', async () => {
    const weights = new URL('v1/model/weights', server.address);
    assert.equal((await fetch(weights)).status, 401);
    const withToken = await fetch(weights, { headers: { authorization: `Bearer ${TOKEN}` } });
    assert.equal(withToken.status, 200);
    await withToken.body!.cancel();

    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    const fetched: Request[] = [];
    page.on('request', (request) => {
      if (request.url().startsWith(weights.href)) fetched.push(request);
    });
    await page.getByLabel('Token').fill('another token');
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('alert').filter({ hasText: 'That is not the token.' }).waitFor();
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('switch', { name: 'Run here' }).check();
    await page.getByText('This device computes').waitFor();
    assert.equal(fetched.length, 1);
    assert.equal((await fetched[0]!.response())?.status(), 200);
    const { cookie = '', authorization } = await fetched[0]!.allHeaders();
    assert.match(cookie, /^verydeep_session=[0-9a-f]{64}$/);
    assert.equal(authorization, undefined, 'the page keeps no token');
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await visit.choose();
    await page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();
    assert.ok(!asked.includes('/v1/predict'), String(asked));

    await page.getByRole('link', { name: 'Train here' }).click();
    await page.getByRole('button', { name: 'Use some of photos instead' }).click();
    await page.getByText(/^photos: 24 images of 3 classes/).waitFor();
    // Before the token was shown, and when it was a wrong one.
    await visit.close(/401 \(Unauthorized\)/);
  });
});
