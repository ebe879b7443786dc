// The loops for processors with AVX2.
#define VMF_NAMESPACE vmf_avx2
#define VMF_LANES Pair<Lanes>
#include "vmf/lanes/avx2.hpp"
#include "vmf/lanes/pair.hpp"
#include "loops.hpp"

LoopTable avx2_loops() {
    return {VMF_NAMESPACE::entries, sizeof VMF_NAMESPACE::entries / sizeof(LoopEntry), "avx2"};
}
