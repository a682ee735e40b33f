package headrace;

import java.util.Arrays;

/**
 * The values of a window in order, with repeats: a treap in arrays. Adding, removing and finding the k-th smallest take time
 * that is logarithmic in the number of different values.
 */
final class Sorted {
    private static final int NONE = 0;
    /** Columns of nodes; node 0 is none. */
    private long[] keys = new long[9];

    private int[] left = new int[9];
    private int[] right = new int[9];
    private int[] times = new int[9];
    private int[] sizes = new int[9];
    private int[] priorities = new int[9];
    private int nodes = 1;
    private int free = NONE;
    private int root = NONE;
    private int random = 0x9E3779B9;

    int size() {
        return sizes[root];
    }

    void add(long key) {
        root = add(root, key);
    }

    void remove(long key) {
        root = remove(root, key);
    }

    /** The k-th smallest value, from 0. */
    long select(int k) {
        int node = root;
        while (true) {
            int before = sizes[left[node]];
            if (k < before) {
                node = left[node];
            } else if (k < before + times[node]) {
                return keys[node];
            } else {
                k -= before + times[node];
                node = right[node];
            }
        }
    }

    long bytes() {
        return keys.length * 28L;
    }

    private int add(int node, long key) {
        if (node == NONE) return create(key);
        if (key == keys[node]) {
            times[node]++;
        } else if (key < keys[node]) {
            int child = add(left[node], key);
            left[node] = child;
            if (priorities[child] > priorities[node]) node = turnRight(node);
        } else {
            int child = add(right[node], key);
            right[node] = child;
            if (priorities[child] > priorities[node]) node = turnLeft(node);
        }
        count(node);
        return node;
    }

    private int remove(int node, long key) {
        if (key < keys[node]) {
            left[node] = remove(left[node], key);
        } else if (key > keys[node]) {
            right[node] = remove(right[node], key);
        } else if (times[node] > 1) {
            times[node]--;
        } else {
            int rest = join(left[node], right[node]);
            left[node] = free;
            free = node;
            return rest;
        }
        count(node);
        return node;
    }

    private int join(int a, int b) {
        if (a == NONE) return b;
        if (b == NONE) return a;
        if (priorities[a] > priorities[b]) {
            right[a] = join(right[a], b);
            count(a);
            return a;
        }
        left[b] = join(a, left[b]);
        count(b);
        return b;
    }

    private int turnRight(int node) {
        int up = left[node];
        left[node] = right[up];
        right[up] = node;
        count(node);
        return up;
    }

    private int turnLeft(int node) {
        int up = right[node];
        right[node] = left[up];
        left[up] = node;
        count(node);
        return up;
    }

    private void count(int node) {
        sizes[node] = sizes[left[node]] + times[node] + sizes[right[node]];
    }

    private int create(long key) {
        int node = free;
        if (node != NONE) free = left[node];
        else if ((node = nodes++) == keys.length) grow();
        // Any sequence without a pattern keeps the tree flat: xorshift, Marsaglia 2003.
        random ^= random << 13;
        random ^= random >>> 17;
        random ^= random << 5;
        keys[node] = key;
        left[node] = NONE;
        right[node] = NONE;
        times[node] = 1;
        sizes[node] = 1;
        priorities[node] = random;
        return node;
    }

    private void grow() {
        int length = keys.length * 2;
        keys = Arrays.copyOf(keys, length);
        left = Arrays.copyOf(left, length);
        right = Arrays.copyOf(right, length);
        times = Arrays.copyOf(times, length);
        sizes = Arrays.copyOf(sizes, length);
        priorities = Arrays.copyOf(priorities, length);
    }
}
