// Says which of Nacelle's and torch's libraries this process has, in alphabetical order. It includes no header of
// theirs.
#include <fstream>
#include <iostream>
#include <set>
#include <string>

int main() {
  std::set<std::string> names;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::string name = line.substr(line.find_last_of(" /") + 1);
    if (name.starts_with("libtorch") || name.starts_with("libnacelle")) names.insert(name);
  }
  for (const std::string& name : names) std::cout << name << "\n";
  return 0;
}
