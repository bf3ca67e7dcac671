// SPDX-License-Identifier: BSD-2-Clause
// Null pointers by the hundred thousand (which are faults), and threads.
public class Basics {
	int field = 1;

	static int get(Basics b) {
		return b.field;
	}

	public static void main(String[] arguments) throws Exception {
		int caught = 0, sum = 0;
		for (int i = 0; i < 200000; i++) {
			try {
				sum += get(i % 2 == 0 ? null : new Basics());
			} catch (NullPointerException e) {
				caught++;
			}
		}
		System.out.println(caught + " " + sum);
		final long[] totals = new long[8];
		Thread[] threads = new Thread[8];
		for (int t = 0; t < threads.length; t++) {
			final int n = t;
			threads[t] = new Thread(() -> {
				for (int i = 0; i < 100000; i++)
					totals[n] += i ^ n;
			});
			threads[t].start();
		}
		long total = 0;
		for (int t = 0; t < threads.length; t++) {
			threads[t].join();
			total += totals[t];
		}
		System.out.println(total);
		System.exit(6);
	}
}
