// How an independent program talks to the lab: for each line that it is given, one line of JSON.
//
// given    one number, that of the turn
// answers  {"digest": "…", "readings": [{"rival": "…", "case": "…", "metric": "…", "unit": "…",
//          "value": 11.5, "samples": 1000}, …]}
//
// "case" is left out where it is empty, "at" where it is not a number. The end of the input is the
// end of the program.
#pragma once

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace turns {

struct Reading {
    std::string rival;    // who was measured
    std::string metric;   // what: "cost"
    std::string unit;     // "ns"
    double value;         // this turn's number
    long samples;         // how many single measurements it is the middle of
    std::string where{};  // the case; may be empty
    double at = std::numeric_limits<double>::quiet_NaN();  // the number that the case stands for
};

inline void print(const Reading &reading) {
    std::printf("{\"rival\": \"%s\", \"metric\": \"%s\", \"unit\": \"%s\", ", reading.rival.c_str(),
                reading.metric.c_str(), reading.unit.c_str());
    if (!reading.where.empty()) std::printf("\"case\": \"%s\", ", reading.where.c_str());
    if (!std::isnan(reading.at)) std::printf("\"at\": %.17g, ", reading.at);
    std::printf("\"value\": %.9g, \"samples\": %ld}", reading.value, reading.samples);
}

inline void answer(const std::string &digest, const std::vector<Reading> &readings) {
    std::printf("{\"digest\": \"%s\", \"readings\": [", digest.c_str());
    for (std::size_t index = 0; index < readings.size(); ++index) {
        if (index) std::printf(", ");
        print(readings[index]);
    }
    std::printf("]}\n");
    std::fflush(stdout);
}

// Waits for the next turn; false when there is none any more.
inline bool next(long &turn) { return std::scanf("%ld", &turn) == 1; }

}  // namespace turns
