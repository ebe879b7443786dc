// The loops for any processor, one value at a time.
#define VMF_NAMESPACE vmf_scalar

#include "vmf/lanes/scalar.hpp"
#include "loops.hpp"

LoopTable scalar_loops() {
    return {VMF_NAMESPACE::entries, sizeof VMF_NAMESPACE::entries / sizeof(LoopEntry), "portable"};
}
