// The public name of every function and the formula in functions.hpp or concentration.hpp that computes it: the one list
// that the CPU module and the CUDA entry points are made from. VMF_FUNCTIONS(ROW) expands to ROW(name, formula) a row.
#pragma once

#include "concentration.hpp"

#define VMF_FUNCTIONS(ROW)                                           \
    ROW(log_iv, LogI<false>)                                         \
    ROW(log_ive, LogI<true>)                                         \
    ROW(log_kv, LogK<false>)                                         \
    ROW(log_kve, LogK<true>)                                         \
    ROW(iv_ratio, IvRatio<false>)                                    \
    ROW(iv_ratio_c, IvRatio<true>)                                   \
    ROW(kv_ratio, KvRatio)                                           \
    ROW(log_iv_dx, LogIvDx)                                          \
    ROW(log_iv_dv, LogIvDv)                                          \
    ROW(log_kv_dx, LogKvDx)                                          \
    ROW(log_kv_dv, LogKvDv)                                          \
    ROW(log_normalizer, LogNormalizer<false>)                        \
    ROW(log_normalizer_e, LogNormalizer<true>)                       \
    ROW(mean_resultant_length, MeanResultantLength<false>)           \
    ROW(mean_resultant_length_c, MeanResultantLength<true>)          \
    ROW(mean_resultant_length_dkappa, MeanResultantLengthDkappa)     \
    ROW(entropy, Entropy)                                            \
    ROW(concentration, Concentration<false>)                         \
    ROW(concentration_c, Concentration<true>)
