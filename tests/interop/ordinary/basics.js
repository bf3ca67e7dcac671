// SPDX-License-Identifier: BSD-2-Clause
// Traps that the engine turns into exceptions, processes, threads, signals, a server: everything that node needs of
// its process. Prints what must be the same everywhere.
'use strict';
const { spawnSync, exec } = require('child_process');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const http = require('http');
const part = isMainThread ? process.argv[2] : 'worker';

const parts = {
	hello() {
		console.log('hello', process.argv.length, 6 * 7);
		process.exitCode = 3;
	},
	wasm() {
		const code = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 3, 2, 1, 0, 5, 3, 1, 0, 1,
			7, 5, 1, 1, 0x66, 0, 0, 0x0a, 9, 1, 7, 0, 0x20, 0, 0x28, 2, 0, 0x0b];
		const f = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(code))).exports.f;
		let caught = 0, sum = 0;
		for (let i = 0; i < 1000; i++) {
			sum += f(4 * i);
			try {
				f(65536 + 4 * i);
			} catch (e) {
				caught += e instanceof WebAssembly.RuntimeError;
			}
		}
		console.log(caught, sum);
	},
	spawn() {
		const r = spawnSync('/bin/sh', ['-c', 'read x; echo "got $x"; echo bad >&2; exit 5'], { input: 'line\n' });
		console.log(r.status, r.signal, String(r.stdout), String(r.stderr));
		const killed = spawnSync('/bin/sh', ['-c', 'kill -TERM $$']);
		console.log(killed.status, killed.signal);
		exec('echo one | tr a-z A-Z; exit 2', (error, stdout) => console.log(error.code, stdout));
	},
	workers() {
		let sum = 0, left = 4;
		for (let i = 0; i < 4; i++) {
			const w = new Worker(__filename, { workerData: i });
			w.on('message', (n) => { sum += n; });
			w.on('exit', (status) => {
				if (--left === 0)
					console.log(sum, status);
			});
		}
	},
	worker() {
		let n = workerData;
		for (let i = 0; i < 200000; i++)
			n = (n * 31 + 7) % 1000003;
		parentPort.postMessage(n);
	},
	signals() {
		let seen = 0;
		const timer = setInterval(() => {}, 1000);
		process.on('SIGUSR2', () => {
			if (++seen < 50) {
				process.kill(process.pid, 'SIGUSR2');
				return;
			}
			console.log('seen', seen);
			clearInterval(timer);
			process.removeAllListeners('SIGUSR2');
			process.kill(process.pid, 'SIGTERM');
		});
		process.kill(process.pid, 'SIGUSR2');
	},
	http() {
		let n = 0;
		const server = http.createServer((req, res) => res.end(`page ${req.url}`));
		const next = () => {
			if (n === 20) {
				server.close(() => console.log('closed'));
				return;
			}
			http.get({ host: '127.0.0.1', port: server.address().port, path: `/${n++}`, agent: false }, (res) => {
				let body = '';
				res.on('data', (d) => { body += d; });
				res.on('end', () => { console.log(res.statusCode, body); next(); });
			});
		};
		server.listen(0, '127.0.0.1', next);
	},
};

parts[part]();
