// Shortest ways from node 1, by Dijkstra.
#include <iostream>
#include <map>
#include <queue>
#include <vector>

int main() {
    int nodes, edges;
    std::cin >> nodes >> edges;
    std::vector<std::vector<std::pair<int, int>>> next(nodes + 1);
    for (int i = 0, a, b, length; i < edges && std::cin >> a >> b >> length; i++) {
        next[a].push_back({b, length});
        next[b].push_back({a, length});
    }
    std::map<int, int> distance;
    std::priority_queue<std::pair<int, int>> open;
    open.push({0, 1});
    while (!open.empty()) {
        auto [far, node] = open.top();
        open.pop();
        if (!distance.insert({node, -far}).second) continue;
        for (auto [to, length] : next[node]) open.push({far - length, to});
    }
    for (auto [node, length] : distance) std::cout << node << ' ' << length << '\n';
}
