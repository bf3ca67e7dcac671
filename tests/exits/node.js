// SPDX-License-Identifier: BSD-2-Clause
// node.js SECONDS - V8 makes wasm traps of SIGSEGV, in the main thread and in workers; lib.c, preloaded, has threads of the
// process in an enclave meanwhile. Every trap has to be caught, and no sum may differ.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

// (module (memory 1) (func (export "f") (param i32) (result i32) local.get 0 i32.load))
const code = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5,
	1, 1, 0x66, 0, 0, 0x0a, 9, 1, 7, 0, 0x20, 0, 0x28, 2, 0, 0x0b]);

function traps(seconds) {
	const f = new WebAssembly.Instance(new WebAssembly.Module(code)).exports.f;
	const end = Date.now() + seconds * 1000;
	let tried = 0, caught = 0, sum = 0, rubbish = [];
	while (Date.now() < end) {
		for (let i = 0; i < 500; i++) {
			tried++;
			try { sum += f(65536 + i * 4096); } catch (e) { caught += e instanceof WebAssembly.RuntimeError; }
			sum += f(i % 1000);
			rubbish.push({ i, text: 'x'.repeat(50 + i % 50) });
		}
		if (rubbish.length > 50000)
			rubbish = [];
	}
	return { tried, caught, sum };
}

function right(r) {
	return r.tried > 0 && r.tried === r.caught && r.sum === 0;
}

if (!isMainThread) {
	parentPort.postMessage(traps(workerData));
} else {
	const seconds = Number(process.argv[2]);
	let left = 2, total = 0, good = true;
	const done = (r) => {
		good = good && right(r);
		total += r.caught;
		if (--left < 0) {
			console.log(`${total} wasm traps, ${good ? 'all right' : 'WRONG'}`);
			process.exitCode = good ? 0 : 1;
		}
	};
	for (let i = 0; i < 2; i++)
		new Worker(__filename, { workerData: seconds }).on('message', done);
	done(traps(seconds));
}
