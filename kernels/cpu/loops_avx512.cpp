// The loops for processors with AVX512.
#define VMF_NAMESPACE vmf_avx512
#define VMF_LANES Pair<Lanes>
#include "vmf/lanes/avx512.hpp"
#include "vmf/lanes/pair.hpp"
#include "loops.hpp"

LoopTable avx512_loops() {
    return {VMF_NAMESPACE::entries, sizeof VMF_NAMESPACE::entries / sizeof(LoopEntry), "avx512"};
}
