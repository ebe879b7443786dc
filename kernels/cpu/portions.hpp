// Work on n elements in portions that several threads take.
//
// Threads are started for one call: no pool outlives a fork, and no OpenMP runtime of another package is in the way.
// Starting one takes the caller about 16 us; on a virtual machine it may run only 80 us later, hence the portions: who is
// there takes the next one, and the call ends when all are done, 20 us before the last thread has ended.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <system_error>
#include <thread>

// How many threads a call may use.
inline std::atomic<int> thread_count{1};

// What the threads share. It outlives the call, for a thread that comes too late to find a portion.
struct Portions {
    static constexpr int spins_before_yielding = 4096;

    const std::ptrdiff_t n, size;
    std::atomic<std::ptrdiff_t> next{0}, done{0};

    Portions(std::ptrdiff_t n, std::ptrdiff_t size) : n(n), size(size) {}

    template <class Work>
    void take_all(const Work& work) {
        std::ptrdiff_t begin;
        while ((begin = next.fetch_add(size, std::memory_order_relaxed)) < n) {
            const std::ptrdiff_t count = std::min(size, n - begin);
            work(begin, count);
            done.fetch_add(count, std::memory_order_release);
        }
    }

    void wait() const {
        for (int spins = 0; done.load(std::memory_order_acquire) < n; ++spins) {
            if (spins >= spins_before_yielding) std::this_thread::yield();
        }
    }
};

// Calls `work(begin, count)`, which must not throw, for portions of `size` elements, on as many threads as there may be.
// No thread is started for less than `least_share` elements. What `work` refers to is not touched after the return.
template <class Work>
void in_portions(std::ptrdiff_t n, std::ptrdiff_t least_share, std::ptrdiff_t size, const Work& work) {
    const std::ptrdiff_t allowed = thread_count.load(std::memory_order_relaxed);
    const std::ptrdiff_t threads = std::min(allowed, n / least_share);
    if (threads <= 1) {
        if (n > 0) work(0, n);
        return;
    }
    const auto portions = std::make_shared<Portions>(n, size);
    for (std::ptrdiff_t t = 1; t < threads; ++t) {
        try {
            std::thread([portions, &work] { portions->take_all(work); }).detach();
        } catch (const std::system_error&) {  // no more threads are to be had: those that are there do it
            break;
        }
    }
    portions->take_all(work);
    portions->wait();
}
